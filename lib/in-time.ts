/**
 * The result, where it comes in time; what was asked goes on in any case.
 * @param late what stands for a result that does not; where not given it throws
 * @throws what the promise rejects with
 */
export async function inTime<Result, Late = never>(
  result: Promise<Result>,
  ms: number,
  late: () => Late = () => {
    throw new Error(`no answer within ${ms} ms`);
  },
): Promise<Result | Late> {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  try {
    return await Promise.race([result, over.then(late)]);
  } finally {
    clearTimeout(timer);
  }
}
