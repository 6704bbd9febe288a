import { join } from 'node:path';
import ts from 'typescript';
import { entries, root } from './entries.ts';
import type { Program } from './programs.ts';

/** Errors of types in documentation's programs, as `path:line: what is wrong`. */
export function typeErrors(programs: readonly Program[]): string[] {
  const files = new Map(programs.map((program, i) => [join(root, `program${i}.ts`), program]));
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent({ ...config, include: [] }, ts.sys, root);
  Object.assign(options, {
    moduleDetection: ts.ModuleDetectionKind.Force,
    // Readers may write JavaScript: their parameters have no types.
    noImplicitAny: false,
    noUnusedLocals: false,
    noUnusedParameters: false,
    paths: Object.fromEntries(entries.map(({ name, types }) => [name, [root + types]])),
  });
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile } = host;
  host.fileExists = (path) => files.has(path) || fileExists(path);
  host.readFile = (path) => files.get(path)?.code ?? readFile(path);
  const compiled = ts.createProgram([...files.keys()], options, host);
  return [...files].flatMap(([path, { path: page, line }]) => {
    const file = compiled.getSourceFile(path)!;
    const errors = [...compiled.getSyntacticDiagnostics(file), ...compiled.getSemanticDiagnostics(file)];
    return errors.map(({ start = 0, messageText }) => {
      const at = line + ts.getLineAndCharacterOfPosition(file, start).line;
      return `${page}:${at}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`;
    });
  });
}
