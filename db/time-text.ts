/** The day that was read last: most times are of the day of the one before, and a day is dear to read. */
let read = { day: '1970-01-01', startsAt: 0 };

/**
 * Reads a time as Postgres writes it, which in UTC is `2024-03-15 15:13:45.123+00` with up to three decimals; other
 * forms are left to Date, which takes three times as long for each.
 */
export function readTime(text: string): Date {
  const decimals = text.length - 23;
  if (!text.endsWith('+00') || text[10] !== ' ' || decimals < -1 || decimals > 3) return new Date(text);
  const day = text.slice(0, 10);
  if (day !== read.day) read = { day, startsAt: Date.parse(day) };
  const seconds = (number(text, 11) * 60 + number(text, 14)) * 60 + number(text, 17);
  return new Date(read.startsAt + seconds * 1000 + thousandths(text, decimals));
}

/** The two digits at a place. */
function number(text: string, at: number): number {
  return digit(text, at) * 10 + digit(text, at + 1);
}

function thousandths(text: string, decimals: number): number {
  let sum = 0;
  for (let place = 0; place < 3; place++) sum = sum * 10 + (place < decimals ? digit(text, 20 + place) : 0);
  return sum;
}

function digit(text: string, at: number): number {
  return text.charCodeAt(at) - 48;
}
