import { connectDatabase, type Database } from '../../db/client.ts';

/** A statement that was run: its text, the indexes it read, and how much it read of what they and the tables hold. */
export interface Statement {
  text: string;
  indexes: string[];
  /** Tables that were read from end to end. */
  scanned: string[];
  /** Rows and index entries that were looked at, those that did not match included. */
  rows: number;
  /** Pages of 8 KiB, wherever they came from. */
  pages: number;
}

interface PlanNode {
  'Node Type': string;
  'Index Name'?: string;
  'Relation Name'?: string;
  'Actual Rows': number;
  'Actual Loops': number;
  'Rows Removed by Filter'?: number;
  'Rows Removed by Index Recheck'?: number;
  'Shared Hit Blocks'?: number;
  'Shared Read Blocks'?: number;
  Plans?: PlanNode[];
}

/** A connection that is told how Postgres carried out each statement, as the functions of db/ sent it. */
export interface ExplainedDatabase {
  database: Database;
  /** The statements that `work` ran, in their order. */
  statementsOf(work: () => Promise<unknown>): Promise<Statement[]>;
  end(): Promise<void>;
}

const settings = {
  session_preload_libraries: 'auto_explain',
  'auto_explain.log_min_duration': '0',
  'auto_explain.log_level': 'notice',
  'auto_explain.log_format': 'json',
  'auto_explain.log_analyze': 'on',
  'auto_explain.log_timing': 'off',
  'auto_explain.log_buffers': 'on',
};

function nodesBelow(node: PlanNode): PlanNode[] {
  return [node, ...(node.Plans ?? []).flatMap(nodesBelow)];
}

function described(text: string, plan: PlanNode): Statement {
  const nodes = nodesBelow(plan);
  const scans = nodes.filter(
    (node) => /Scan$/.test(node['Node Type']) && !/CTE|Subquery|Function/.test(node['Node Type']),
  );
  const read = (node: PlanNode) =>
    (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0) + (node['Rows Removed by Index Recheck'] ?? 0)) *
    node['Actual Loops'];
  return {
    text,
    indexes: scans.flatMap((node) => node['Index Name'] ?? []),
    scanned: scans.flatMap((node) => (node['Node Type'] === 'Seq Scan' ? (node['Relation Name'] ?? []) : [])),
    rows: scans.reduce((sum, node) => sum + read(node), 0),
    pages: (plan['Shared Hit Blocks'] ?? 0) + (plan['Shared Read Blocks'] ?? 0),
  };
}

export function explainedDatabase(url: string): ExplainedDatabase {
  const explained = new URL(url);
  const options = Object.entries(settings).map(([name, value]) => `-c ${name}=${value}`);
  explained.searchParams.set('options', options.join(' '));
  const database = connectDatabase(explained.href, {
    maximum: 1,
    onError: (error) => {
      throw error;
    },
  });
  let statements: Statement[] = [];
  database.$client.on('connect', (client) => {
    client.on('notice', ({ message }) => {
      const json = /plan:\s*(\{[\s\S]*\})/.exec(message ?? '')?.[1];
      if (json === undefined) return;
      const { 'Query Text': text, Plan: plan } = JSON.parse(json) as { 'Query Text': string; Plan: PlanNode };
      statements.push(described(text, plan));
    });
  });
  return {
    database,
    statementsOf: async (work) => {
      statements = [];
      await work();
      return statements;
    },
    end: () => database.$client.end(),
  };
}
