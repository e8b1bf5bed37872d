import { bodyLimit } from 'hono/body-limit';
import { ApiError } from '../../lib/errors.ts';

const maxSize = 64 * 1024;

/** Refuses a body that is longer, by its Content-Length or, where it is chunked, as soon as it has been. */
export const smallBody = bodyLimit({
  maxSize,
  onError: () => {
    throw new ApiError('body_too_large', `Send at most ${maxSize} bytes.`);
  },
});
