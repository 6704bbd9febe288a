import { join } from 'node:path';
import { Application, Logger, LogLevel, TSConfigReader, TypeDocReader } from 'typedoc';
import { describe, expect, it } from 'vitest';
import { entries, root } from './entries.ts';

class Complaints extends Logger {
  readonly list: string[] = [];

  override log(message: string, level: LogLevel): void {
    if (level >= LogLevel.Warn) this.list.push(message);
  }
}

/** A reference's modules, and what TypeDoc has against it: all that stops `npm run docs`. */
async function convert(folder: string) {
  const app = await Application.bootstrapWithPlugins(
    { options: join(root, folder, 'typedoc.config.mjs'), logLevel: 'Warn' },
    [new TypeDocReader(), new TSConfigReader()],
  );
  const complaints = new Complaints();
  app.logger = complaints;
  const project = await app.convert();
  if (project) app.validate(project);
  return { modules: project?.children?.map(({ name }) => name).sort(), complaints: complaints.list };
}

describe('the reference', () => {
  it('has a docstring for every public export of every entry, and only links that lead somewhere', async () => {
    const { modules, complaints } = await convert('docs/reference');
    expect(complaints).toEqual([]);
    expect(modules).toEqual(entries.map(({ name }) => name).sort());
  });

  it('is refused where a docstring, a link, a type or a topic is missing', async () => {
    const { complaints } = await convert('test/docs/undocumented');
    const found = (what: RegExp) => complaints.filter((complaint) => what.test(complaint));
    expect(found(/^withoutDocstring .* does not have any documentation/)).toHaveLength(1);
    expect(found(/Failed to resolve link to "nobody"/)).toHaveLength(1);
    expect(found(/^Hidden, .* is referenced by withHiddenType/)).toHaveLength(1);
    expect(found(/has no topic/)).toHaveLength(3);
    expect(complaints).toHaveLength(6);
  });
});
