/** Runs one side of the comparison in a process of its own, one operation at a time, as the parent asks. */
const [modulePath] = process.argv.slice(2);
const side = await import(modulePath);
let opened;
process.on('message', async ({ call, argument }) => {
  try {
    if (call === 'describe') return process.send({ result: await side.describe() });
    if (call === 'open') {
      opened = await side.open(argument);
      return process.send({ result: opened.about });
    }
    const start = performance.now();
    const value = await opened[call](argument);
    process.send({ result: { value, ms: performance.now() - start } });
  } catch (error) {
    process.send({ error: error.stack });
  }
});
// Dawn would keep the process alive after its parent is gone.
process.on('disconnect', () => process.exit());
process.send({ result: 'ready' });
