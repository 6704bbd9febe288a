// An entry point with what the reference must not have.
export const withoutDocstring = 1;

/** See {@link nobody}. */
export const withoutTarget = 2;

interface Hidden {
  readonly value: number;
}

/** Its argument's type can't be looked up. */
export const withHiddenType = ({ value }: Hidden): number => value;
