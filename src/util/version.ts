/** The version of the package, as peers and people are told. A test keeps it equal to package.json's. */
export const version = '0.1.0'
