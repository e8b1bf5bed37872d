import type { ContractRow } from './contract-rows.ts';
import type { RowCheck } from './row-check.ts';
import type { Scene } from './scene.ts';

/** Tries what a row says, over HTTP. */
export type Walk = (check: RowCheck, scene: Scene, row: ContractRow) => Promise<void>;

/** By the row's first cell. */
export type Walks = Record<string, Walk>;
