-- What drizzle-kit cannot write.
--
-- A command leaves two dead rows, a delivery one for each attempt. They are collected while they are few, so that the
-- tables grow by what they keep alone, and pages are read from indexes without a look at the rows.
ALTER TABLE "dokku_api"."commands" SET (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);--> statement-breakpoint
ALTER TABLE "dokku_api"."deliveries" SET (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);--> statement-breakpoint
-- Beats are updates in place as long as there is room in their page.
ALTER TABLE "dokku_api"."leases" SET (fillfactor = 50);--> statement-breakpoint
ALTER TABLE "dokku_api"."workers" SET (fillfactor = 50);--> statement-breakpoint
-- The index behind `q`. Final commands alone have entries: GIN's are the dearest, and rows before are few. The
-- extension may be there already, in any schema, or be forbidden; without it `q` gives the same answers, later.
DO $$
DECLARE
  home text;
BEGIN
  CREATE EXTENSION IF NOT EXISTS pg_trgm SCHEMA dokku_api;
  SELECT nspname INTO STRICT home
    FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace WHERE extname = 'pg_trgm';
  EXECUTE format(
    'CREATE INDEX commands_text ON dokku_api.commands USING gin (command %I.gin_trgm_ops) WITH (gin_pending_list_limit = 256) WHERE ran_at IS NOT NULL',
    home);
EXCEPTION WHEN OTHERS THEN
  RAISE WARNING 'The index behind the parameter q could not be made: %. Searches work without it, only slower.', SQLERRM
    USING HINT = 'To add it later, as a superuser: CREATE EXTENSION pg_trgm; CREATE INDEX CONCURRENTLY commands_text ON dokku_api.commands USING gin (command gin_trgm_ops) WITH (gin_pending_list_limit = 256) WHERE ran_at IS NOT NULL;';
END
$$;
