/** The version of this package, as its package.json says: a bundle has another one beside it. */
export const version = '0.1.0';
