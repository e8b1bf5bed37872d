/** Whether Postgres would store a command: it is asked to, and then to forget it. */
import { randomBytes } from 'node:crypto';
import { newToken } from '../lib/token.ts';
import type { Database } from './client.ts';
import { commands } from './schema.ts';

/** Too long for its row and not to be compressed, so that room is asked for on the disk. */
const length = 20_000;

class TakenBack extends Error {}

/** @throws what Postgres says where it would not store one */
export async function probeAccepting(database: Database): Promise<void> {
  try {
    await database.transaction(async (transaction) => {
      await transaction.insert(commands).values({
        token: newToken(),
        server: 'doctor',
        command: randomBytes(length / 2).toString('hex'),
        timeoutSeconds: 1,
        keyId: 0,
        createdBy: 'key_doctor',
        owner: 'doctor',
      });
      throw new TakenBack();
    });
  } catch (error) {
    if (!(error instanceof TakenBack)) throw error;
  }
}
