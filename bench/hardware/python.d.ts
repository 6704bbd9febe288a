/** Python's programs are built in as text. */
declare module '*.py' {
  const text: string;
  export default text;
}
