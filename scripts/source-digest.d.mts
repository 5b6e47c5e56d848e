export declare function sourceDigest(root: string): string
export declare function builtDigest(root: string): string | null
export declare function digestPath(root: string): string
