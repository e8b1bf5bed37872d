/** The parts of rate-limiter-flexible that are used: its index loads a store for each of a dozen databases. */
import { createRequire } from 'node:module';
import type * as limiters from 'rate-limiter-flexible';

const require = createRequire(import.meta.url);

export const RateLimiterMemory: typeof limiters.RateLimiterMemory = require('rate-limiter-flexible/lib/RateLimiterMemory');
export const RateLimiterRedis: typeof limiters.RateLimiterRedis = require('rate-limiter-flexible/lib/RateLimiterRedis');
export const RateLimiterRes: typeof limiters.RateLimiterRes = require('rate-limiter-flexible/lib/RateLimiterRes');
