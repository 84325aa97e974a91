// What the type checker is told of the pages' scripts: which names Python writes before them, and
// that elements and events hold what a page hangs on them. Names and numbers are left to be checked.
declare const RECORDED: { [name: string]: any }; // the playground's programs

interface EventTarget {
  [name: string]: any;
}
interface Event {
  [name: string]: any;
}
interface Element {
  [name: string]: any;
  setAttribute(name: string, value: string | number | boolean): void;
}
interface Node {
  contains(other: any): boolean;
}
interface Window {
  [name: string]: any;
}
interface CSSStyleDeclaration {
  [name: string]: any;
}
