import type { ChoiceStore, StoredChoice } from './tune.ts';

const TABLE = 'choices';

/**
 * Keeps decisions in the browser, in an IndexedDB database of the page's origin. Where the browser doesn't let it, it warns on the
 * console, and keeps nothing.
 * @param name of the database
 */
export function browserChoices(name = 'weft'): ChoiceStore {
  return {
    load: (adapter) => orWarn({}, () => withTable(name, 'readonly', (table) => read(table, adapter))),
    save: (adapter, choices) =>
      orWarn(undefined, () =>
        withTable(name, 'readwrite', async (table) => {
          await answer(table.put({ ...(await read(table, adapter)), ...choices }, adapter));
        }),
      ),
  };
}

const read = async (table: IDBObjectStore, adapter: string): Promise<Record<string, StoredChoice>> =>
  (await answer(table.get(adapter))) ?? {};

async function withTable<T>(
  name: string,
  mode: IDBTransactionMode,
  use: (table: IDBObjectStore) => Promise<T>,
): Promise<T> {
  const opening = indexedDB.open(name, 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(TABLE);
  const database = await answer(opening);
  try {
    const transaction = database.transaction(TABLE, mode);
    const completed = new Promise<void>((resolve, reject) => {
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error);
    });
    const [result] = await Promise.all([use(transaction.objectStore(TABLE)), completed]);
    return result;
  } finally {
    database.close();
  }
}

function answer<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

async function orWarn<T>(otherwise: T, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    console.warn(`tuned choices are not kept: ${(error as Error | null)?.message ?? error}`);
    return otherwise;
  }
}
