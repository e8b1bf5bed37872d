/** A process for the tests of processes: prints what it was given, and takes SIGTERM as a wish. */
const [wish] = process.argv.slice(2);
// Before the line by which others know that it may be told to stop.
process.once('SIGTERM', () => {
  process.stdout.write('line"}\n{"msg":"stopping"}\n');
  if (wish !== 'stay') process.exit(7);
});
process.stdout.write(`${JSON.stringify({ environment: process.env, args: process.argv.slice(2) })}\n`);
process.stderr.write('a plain line\n');
process.stdout.write('{"msg":"half of a ');
setInterval(() => undefined, 1_000);
