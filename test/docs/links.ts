/** Relative ones, pictures too, without what stands in fenced blocks and in `code`. */
export const linksIn = (text: string): string[] =>
  [...proseOf(text).matchAll(/\]\(([^)\s]+)\)|\b(?:src|href)="([^"]+)"/g)]
    .map(([, link, source]) => (link ?? source) as string)
    .filter((link) => !/^[a-z]+:/.test(link));

const proseOf = (text: string): string => unfenced(text).replaceAll(/`[^`\n]*`/g, '`code`');

export const unfenced = (text: string): string => text.replaceAll(/^```[\s\S]*?^```$/gm, '');
