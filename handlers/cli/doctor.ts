/** `npm run -s doctor`: says what makes commands not run, and what to do about it. Ends with 1 where anything does. */
import { resolve } from 'node:path';
import { terminalEnvironment } from '../../lib/local/kept-environment.ts';
import { diagnose } from './doctor/diagnose.ts';
import { placeOf } from './doctor/remedies.ts';
import { reportLines } from './doctor/report.ts';

const environment = terminalEnvironment(resolve('.local'), process.env);
const colored = process.stdout.isTTY && !process.env.NO_COLOR;
const findings = await diagnose({
  environment,
  place: placeOf(process.env, environment),
  onFinding: (finding) => console.log(reportLines(finding, { colored })),
});
// A connection that hangs must not keep the answer from ending.
process.exit(findings.some(({ status }) => status === 'failed') ? 1 : 0);
