/** Colours and weights of a terminal (ECMA-48, 8.3.117), as names of classes that the style sheet knows in light and dark. */

export type TerminalStyle = {
  /** One of the sixteen colours; null for the text's own. */
  foreground: number | null;
  background: number | null;
  bold: boolean;
  faint: boolean;
  italic: boolean;
  underline: boolean;
  inverse: boolean;
  strike: boolean;
};

export const plain: TerminalStyle = {
  foreground: null,
  background: null,
  bold: false,
  faint: false,
  italic: false,
  underline: false,
  inverse: false,
  strike: false,
};

const changes: Record<number, Partial<TerminalStyle>> = {
  0: plain,
  1: { bold: true },
  2: { faint: true },
  3: { italic: true },
  4: { underline: true },
  7: { inverse: true },
  9: { strike: true },
  21: { underline: true },
  22: { bold: false, faint: false },
  23: { italic: false },
  24: { underline: false },
  27: { inverse: false },
  29: { strike: false },
  39: { foreground: null },
  49: { background: null },
};

/** Of xterm: the colours that the others of its 256, and those of 24 bits, are shown as the nearest of. */
const sixteen: readonly (readonly [number, number, number])[] = [
  [0, 0, 0],
  [205, 0, 0],
  [0, 205, 0],
  [205, 205, 0],
  [0, 0, 238],
  [205, 0, 205],
  [0, 205, 205],
  [229, 229, 229],
  [127, 127, 127],
  [255, 0, 0],
  [0, 255, 0],
  [255, 255, 0],
  [92, 92, 255],
  [255, 0, 255],
  [0, 255, 255],
  [255, 255, 255],
];
const cubeSteps = [0, 95, 135, 175, 215, 255];

/** @param parameters of the sequence, such as `1;31` or `38:5:208`; unknown ones change nothing */
export function applySgr(style: TerminalStyle, parameters: string): TerminalStyle {
  const codes = parameters.split(';');
  let result = style;
  for (let index = 0; index < codes.length; index++) {
    const [code = 0, ...inner] = (codes[index] ?? '').split(':').map(Number);
    if (code === 38 || code === 48) {
      const { color, used } =
        inner.length > 0 ? { color: nestedColor(inner), used: 0 } : followingColor(codes.slice(index + 1).map(Number));
      index += used;
      if (color !== undefined) result = { ...result, [code === 38 ? 'foreground' : 'background']: color };
    } else if (code === 4 && inner[0] === 0) result = { ...result, underline: false };
    else result = { ...result, ...(changes[code] ?? basicColor(code)) };
  }
  return result;
}

/** The names of the classes, parted by blanks. */
export function classesOf({ foreground, background, ...weights }: TerminalStyle): string {
  return [
    ...(foreground === null ? [] : [`fg${foreground}`]),
    ...(background === null ? [] : [`bg${background}`]),
    ...Object.entries(weights).flatMap(([name, isOn]) => (isOn ? [`t-${name}`] : [])),
  ].join(' ');
}

function basicColor(code: number): Partial<TerminalStyle> {
  if (code >= 30 && code <= 37) return { foreground: code - 30 };
  if (code >= 90 && code <= 97) return { foreground: code - 82 };
  if (code >= 40 && code <= 47) return { background: code - 40 };
  if (code >= 100 && code <= 107) return { background: code - 92 };
  return {};
}

/** `38:5:n`, `38:2:r:g:b` and `38:2::r:g:b`. */
function nestedColor([kind, ...rest]: readonly number[]): number | undefined {
  return kind === 5 ? indexedColor(rest[0]) : kind === 2 ? nearestColor(rest.slice(-3)) : undefined;
}

/** `38;5;n` and `38;2;r;g;b`, of which the 38 is read already. */
function followingColor([kind, ...rest]: readonly number[]): { color: number | undefined; used: number } {
  if (kind === 5) return { color: indexedColor(rest[0]), used: 2 };
  if (kind === 2) return { color: nearestColor(rest.slice(0, 3)), used: 4 };
  return { color: undefined, used: 0 };
}

function indexedColor(index: number | undefined): number | undefined {
  if (index === undefined || !(index >= 0 && index <= 255)) return undefined;
  if (index < 16) return index;
  if (index >= 232) {
    const grey = 8 + (index - 232) * 10;
    return nearestColor([grey, grey, grey]);
  }
  const steps = [Math.floor((index - 16) / 36), Math.floor((index - 16) / 6) % 6, (index - 16) % 6];
  return nearestColor(steps.map((step) => cubeSteps[step] ?? 0));
}

function nearestColor(channels: readonly number[]): number | undefined {
  const [red, green, blue] = channels;
  if (red === undefined || green === undefined || blue === undefined) return undefined;
  if (!channels.every((channel) => channel >= 0 && channel <= 255)) return undefined;
  const distances = sixteen.map(([r, g, b]) => (r - red) ** 2 + (g - green) ** 2 + (b - blue) ** 2);
  return distances.indexOf(Math.min(...distances));
}
