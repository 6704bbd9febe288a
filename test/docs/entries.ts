import { fileURLToPath } from 'node:url';
import packageJson from '../../package.json' with { type: 'json' };

export const root = fileURLToPath(new URL('../../', import.meta.url));

/** What the package can be imported as, and the sources behind it. */
export interface Entry {
  /** `weft-gpu/files` */
  readonly name: string;
  /** What runs under Node: `src/files.node.ts`. */
  readonly source: string;
  /** What its types are made of: `src/files.ts`. */
  readonly types: string;
}

/** The source of a file that the package holds. */
const sourceOf = (built: string): string => built.replace('./dist/', 'src/').replace(/(\.d)?\.[jt]s$/, '.ts');

/** As package.json has them. */
export const entries: readonly Entry[] = Object.entries(packageJson.exports).flatMap(([path, files]) => {
  if (typeof files === 'string') return [];
  const built = 'node' in files ? files.node : files.default;
  return { name: path.replace('.', 'weft-gpu'), source: sourceOf(built), types: sourceOf(files.types) };
});
