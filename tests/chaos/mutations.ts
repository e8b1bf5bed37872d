/** Workers that break one promise each, for the checker to find. */
import { callbackMutations } from './callback-mutations.ts';
import { endingMutations } from './ending-mutations.ts';
import { keepingMutations } from './keeping-mutations.ts';
import { sendingMutations } from './sending-mutations.ts';

export const mutations = { ...keepingMutations, ...sendingMutations, ...endingMutations, ...callbackMutations };

export type MutationName = keyof typeof mutations;
