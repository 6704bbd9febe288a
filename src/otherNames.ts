import { WeftError } from './errors.ts';
import { nearestName } from './nearestName.ts';

/**
 * A class to extend, with methods of TensorFlow.js and Keras that the extending one hasn't got and that their users call first: each throws
 * an error that says what is written here. Types don't have them. As an expression without effects, marked as pure, it leaves a bundle with
 * the class that extends it.
 * @param instead gives by name what to write
 */
export function explaining(owner: string, instead: () => Readonly<Record<string, string>>): new () => object {
  const Explaining = class {};
  for (const [name, advice] of Object.entries(instead())) {
    const value = () => {
      throw new WeftError(`a ${owner} has no ${name}(): ${advice}`);
    };
    Object.defineProperty(Explaining.prototype, name, { value, configurable: true, writable: true });
  }
  return Explaining;
}

/** What the language itself asks an object for. */
const ASKED_BY_LANGUAGE = ['then', 'toJSON', '$$typeof', 'asymmetricMatch', 'nodeType', 'tagName'];

/**
 * A table in which a name that isn't there is an error.
 * @param owner what the table is called where it is used
 */
export function explainedTable<T extends object>(owner: string, table: T): T {
  return new Proxy(table, {
    get(target, name) {
      if (typeof name === 'symbol' || name in target || ASKED_BY_LANGUAGE.includes(name))
        return Reflect.get(target, name);
      const names = Object.keys(target);
      const nearest = nearestName(name, names);
      throw new WeftError(
        `there is no ${owner}.${name}${nearest ? `; the nearest is ${owner}.${nearest}` : ''}: there are ${names.join(', ')}`,
      );
    },
  });
}
