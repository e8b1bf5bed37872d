const form = /^(\d{4}-\d{2}-\d{2})(?:T(\d{2}:\d{2})(:\d{2}(?:[.,]\d{1,9})?)?(Z|[+ -]\d{2}(?::?\d{2})?)?)?$/i;

/**
 * Reads a time of ISO 8601: a date, or a date and a time; in UTC where it names no offset. A blank stands for the `+` of
 * an offset, which a query turns into one.
 * @returns undefined where it is none
 */
export function parseTime(text: string): Date | undefined {
  const [, date, minutes = '00:00', seconds = ':00', offset = 'Z'] = form.exec(text) ?? [];
  if (date === undefined || !isCalendarDate(date)) return undefined;
  const [, sign = '+', hours = '00', rest = '00'] = /^([+ -])(\d{2}):?(\d{2})?$/.exec(offset) ?? [];
  const zone = `${sign === '-' ? '-' : '+'}${hours}:${rest}`;
  const milliseconds = seconds.replace(',', '.').slice(0, 7);
  const time = new Date(`${date}T${minutes}${milliseconds}${zone}`);
  return Number.isNaN(time.getTime()) ? undefined : time;
}

/** `Date` would take the 31st of February for the 3rd of March. */
function isCalendarDate(date: string): boolean {
  const midnight = new Date(`${date}T00:00:00Z`);
  return !Number.isNaN(midnight.getTime()) && midnight.toISOString().startsWith(date);
}
