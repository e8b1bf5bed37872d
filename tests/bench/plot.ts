/** Plots as SVG, on a light ground of their own so that they read on a dark page too. */

export type Series = { name: string; points: (readonly [x: number, y: number])[] };

/** Numbers are above 0. The x axis is logarithmic; the y axis where `logarithmic` says so, and else begins at 0. */
export type Plot = { title: string; x: string; y: string; logarithmic: boolean; series: Series[] };

type Axis = { ticks: number[]; place: (number: number) => number };

const width = 760;
const height = 420;
const frame = { left: 76, right: width - 28, top: 84, bottom: height - 58 };
const colours = ['#1d4ed8', '#c2410c', '#15803d', '#7e22ce', '#0e7490', '#b91c1c'];
const ink = { title: '#111827', text: '#4b5563', axis: '#9ca3af', grid: '#e5e7eb' };

/** One picture of all the plots, one below the other. */
export function drawPlots(plots: readonly Plot[]): string {
  const size = `width="${width}" height="${height * plots.length}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} viewBox="0 0 ${width} ${height * plots.length}" font-family="system-ui, 'Segoe UI', Helvetica, Arial, sans-serif" font-size="13">
<title>${escaped(plots.map(({ title }) => title).join('; '))}</title>
<rect ${size} rx="8" fill="#ffffff"/>
${plots.map((plot, index) => `<g transform="translate(0 ${index * height})">\n${drawPlot(plot)}\n</g>`).join('\n')}
</svg>
`;
}

function drawPlot({ title, x, y, logarithmic, series }: Plot): string {
  const points = series.flatMap((one) => one.points);
  const across = logarithmicAxis(
    points.map((point) => point[0]),
    [frame.left + 12, frame.right - 12],
  );
  const heights = points.map((point) => point[1]);
  const upright: [number, number] = [frame.bottom, frame.top + 8];
  const up = logarithmic ? logarithmicAxis(heights, upright) : linearAxis(Math.max(...heights), upright);
  return [
    text(title, 24, 34, `font-size="18" font-weight="600" fill="${ink.title}"`),
    drawLegend(series),
    ...up.ticks.flatMap((tick) => [
      line(frame.left, up.place(tick), frame.right, up.place(tick), ink.grid),
      text(written(tick), frame.left - 10, up.place(tick) + 4.5, `text-anchor="end" fill="${ink.text}"`),
    ]),
    ...across.ticks.flatMap((tick) => [
      line(across.place(tick), frame.bottom, across.place(tick), frame.bottom + 5, ink.axis),
      text(written(tick), across.place(tick), frame.bottom + 21, `text-anchor="middle" fill="${ink.text}"`),
    ]),
    line(frame.left, frame.bottom, frame.right, frame.bottom, ink.axis),
    text(x, (frame.left + frame.right) / 2, height - 14, `text-anchor="middle" fill="${ink.title}"`),
    text(y, 0, 0, `text-anchor="middle" fill="${ink.title}" transform="translate(22 ${middle(upright)}) rotate(-90)"`),
    ...series.map((one, index) =>
      drawSeries(
        one.points.map(([right, high]) => [across.place(right), up.place(high)]),
        colourOf(index),
      ),
    ),
  ].join('\n');
}

function drawSeries(points: (readonly [number, number])[], colour: string): string {
  const places = points.map(([x, y]) => `${short(x)},${short(y)}`);
  const dots = points.map(([x, y]) => `<circle cx="${short(x)}" cy="${short(y)}" r="3.5" fill="${colour}"/>`);
  return `<polyline points="${places.join(' ')}" fill="none" stroke="${colour}" stroke-width="2" stroke-linejoin="round"/>${dots.join('')}`;
}

/** In a line below the title; one text, so that each name begins where the one before ended in whatever font. */
function drawLegend(series: readonly Series[]): string {
  const entries = series.map(
    ({ name }, index) =>
      `<tspan dx="${index === 0 ? 0 : 22}" fill="${colourOf(index)}">●</tspan><tspan dx="6">${escaped(name)}</tspan>`,
  );
  return `<text x="24" y="62" fill="${ink.text}">${entries.join('')}</text>`;
}

/** Ticks at the powers of ten, and at twice and five times those where that leaves them room. */
function logarithmicAxis(numbers: readonly number[], [from, to]: [number, number]): Axis {
  const [least, most] = [Math.min(...numbers), Math.max(...numbers)];
  const decades = Math.log10(most / least);
  const factors = decades > 3 ? [1] : [1, 2, 5];
  const powers = Array.from(
    { length: Math.ceil(decades) + 3 },
    (_, index) => Math.floor(Math.log10(least)) - 1 + index,
  );
  const marks = powers.flatMap((power) => factors.map((factor) => factor * 10 ** power));
  // The axis reaches from tick to tick around all numbers, those of the x axis from the first of them to the last.
  const begin = marks.findLast((mark) => mark <= least * 1.0001) ?? least;
  const end = marks.find((mark) => mark >= most * 0.9999) ?? most;
  const place = (number: number) => from + ((to - from) * Math.log10(number / begin)) / Math.log10(end / begin || 10);
  return { ticks: marks.filter((mark) => mark >= begin && mark <= end), place };
}

function linearAxis(most: number, [from, to]: [number, number]): Axis {
  const rough = most / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10);
  const count = Math.ceil(most / step);
  return {
    ticks: Array.from({ length: count + 1 }, (_, index) => index * step),
    place: (number) => from + ((to - from) * number) / (count * step),
  };
}

const colourOf = (index: number) => colours[index % colours.length] ?? ink.text;
const middle = ([from, to]: [number, number]) => (from + to) / 2;
const short = (place: number) => Number(place.toFixed(1));
const written = (number: number) => Number(number.toPrecision(6)).toLocaleString('en', { maximumFractionDigits: 6 });

function line(x1: number, y1: number, x2: number, y2: number, colour: string): string {
  return `<line x1="${short(x1)}" y1="${short(y1)}" x2="${short(x2)}" y2="${short(y2)}" stroke="${colour}"/>`;
}

function text(content: string, x: number, y: number, attributes: string): string {
  return `<text x="${short(x)}" y="${short(y)}" ${attributes}>${escaped(content)}</text>`;
}

const escaped = (content: string) => content.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
