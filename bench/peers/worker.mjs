/** Runs one side of the comparison in a process of its own, one operation at a time, as the parent asks. */
const [modulePath] = process.argv.slice(2);
const side = await import(modulePath);
let opened;

process.on('message', async ({ call, argument }) => {
  try {
    if (call === 'describe') return process.send({ result: await side.describe() });
    if (call === 'open') {
      opened = await side.open(argument);
      const { name, adapter, parameters } = opened;
      return process.send({ result: { name, adapter, parameters } });
    }
    const start = performance.now();
    const value = await opened[call]();
    process.send({ result: { value, ms: performance.now() - start } });
  } catch (error) {
    process.send({ error: error.stack });
  }
});
process.send({ result: 'ready' });
