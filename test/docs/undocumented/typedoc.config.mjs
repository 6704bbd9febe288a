import reference from '../../../docs/reference/typedoc.config.mjs';

export default {
  ...reference,
  entryPoints: ['index.ts'],
  tsconfig: 'tsconfig.json',
  readme: 'none',
  projectDocuments: [],
};
