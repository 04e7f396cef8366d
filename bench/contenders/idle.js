// What a controller's memory is compared with: a process that only waits, alone or with a client.
const [url] = process.argv.slice(2);
if (url !== undefined) {
  const { default: pg } = await import('pg');
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query('select 1');
}
process.stdin.on('data', () => {}).on('end', () => process.exit());
process.stdout.write('ready\n');
