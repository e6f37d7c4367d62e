/**
 * tag follows the name of each file that the page asks for: the build's version, as
 * index.html asks for main.js. Pages that are always their server's have none.
 */
export const tag = new URL(import.meta.url).search;
