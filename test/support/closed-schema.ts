/** The same schema, with no property allowed that it does not name. */
export function closed<Part>(schema: Part): Part {
  if (Array.isArray(schema)) return schema.map(closed) as Part;
  if (typeof schema !== 'object' || schema === null) return schema;
  const parts = Object.entries(schema).map(([name, part]) => [name, closed(part)]);
  return { ...Object.fromEntries(parts), ...('properties' in schema ? { additionalProperties: false } : {}) };
}
