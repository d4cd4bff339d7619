/** Rows as CSV (RFC 4180) that a spreadsheet opens without running anything in it. */
export function toCsv(header: readonly string[], rows: readonly (readonly string[])[]): string {
  return [header, ...rows]
    .map((row) => row.map(cell).join(","))
    .join("\r\n")
    .concat("\r\n");
}

const NUMBER = /^-?\d+(\.\d+)?$/;

function cell(text: string): string {
  // A cell that begins like a formula is one to a spreadsheet; numbers may begin with a minus.
  const safe = /^[=+\-@\t\r]/.test(text) && !NUMBER.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
