import { setAnswerHeader } from '../answer-header.ts';
import { factory } from '../factory.ts';

/**
 * What browsers are told about every answer: to take it for nothing but what it says it is, to run, frame and load
 * nothing in it, and to give it to no other site. Pages, which need more, send a policy of their own.
 *
 * Strict-Transport-Security is not among them: we speak plain HTTP, where it must not be sent (RFC 6797, 7.2). It is
 * the matter of whoever ends TLS: Dokku's nginx sends it for every app that has a certificate.
 */
export const securityHeaders: Readonly<Record<string, string>> = {
  'Content-Security-Policy': "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
};

/** Sends them, where the handler says nothing else. */
export const secured = factory.createMiddleware(async (context, next) => {
  for (const [name, value] of Object.entries(securityHeaders)) setAnswerHeader(context, name, value);
  await next();
});
