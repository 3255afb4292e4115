// The state of the list: one object, stored in the address so that going back, reloading and sharing give the same list.

const START = { search: "", filters: [], sort: [], group: null, moved: {}, dedup: null };

/** The list's query (`moved`: limits by setting); `dataset`: of /api/dataset; `at`: the open clip's place in the list. */
export const state = { ...structuredClone(START), dataset: null, at: null };

const addressKey = (key) => (key === "moved" ? "thresholds" : key);

/** The changed thresholds and duplicate settings, as /api/clips and /api/select take them. */
export function getSelection() {
  const selection = { thresholds: state.moved };
  if (state.dedup) selection.dedup = state.dedup;
  return selection;
}

/** The body of /api/clips for the current list, without offset and limit. */
export const getQuery = () => ({
  search: state.search,
  filters: state.filters,
  sort: state.sort,
  group: null,
  ...getSelection(),
});

export const isChanged = () => Object.keys(state.moved).length > 0 || state.dedup !== null;

/** The list's address, with every part of the query that differs from its default. */
export function getAddress() {
  const query = {};
  for (const [key, start] of Object.entries(START))
    if (JSON.stringify(state[key]) !== JSON.stringify(start)) query[addressKey(key)] = state[key];
  return Object.keys(query).length ? `/?list=${encodeURIComponent(JSON.stringify(query))}` : "/";
}

const OPERATORS = { text: ["=", "!=", "contains", "in"], number: ["=", "!=", "<", "<=", ">", ">=", "in"] };
const CATEGORICAL = ["batch", "width", "height"]; // columns of numbers with few distinct values

/** Names of the columns that can be grouped by: text first. */
export function listGroupColumns({ columns }) {
  const text = columns.filter((column) => column.kind === "text" && column.name !== "clip_id");
  return [...text, ...columns.filter((column) => CATEGORICAL.includes(column.name))].map((column) => column.name);
}

/** The first part of an address's query that is invalid for this data set; "" if all of it is valid. */
function findInvalid(query, dataset) {
  const kinds = new Map(dataset.columns.map((column) => [column.name, column.kind]));
  const thresholds = new Map(dataset.thresholds.map((threshold) => [threshold.setting, threshold]));
  for (const [key, start] of Object.entries(START)) {
    const value = query[addressKey(key)];
    if (value === undefined || value === null) continue;
    if (start !== null && (typeof value !== typeof start || Array.isArray(value) !== Array.isArray(start))) return addressKey(key);
  }
  for (const part of query.sort ?? []) if (!kinds.has(part?.column) || typeof part.desc !== "boolean") return `the column ${part?.column}`;
  for (const part of query.filters ?? []) {
    const kind = kinds.get(part?.column);
    if (!kind) return `the column ${part?.column}`;
    const values = part.op === "in" && Array.isArray(part.value) ? part.value : [part.value];
    if (!OPERATORS[kind].includes(part.op) || !values.every((value) => typeof value === (kind === "number" ? "number" : "string")))
      return `the filter on ${part.column}`;
  }
  if (query.group && !listGroupColumns(dataset).includes(query.group)) return `the group ${query.group}`;
  for (const [setting, limit] of Object.entries(query.thresholds ?? {})) {
    const threshold = thresholds.get(setting);
    if (!threshold || typeof limit !== "number") return `the threshold ${setting}`;
    if (limit < (threshold.minimum ?? -Infinity) || limit > (threshold.maximum ?? Infinity)) return `${limit} for ${setting}`;
  }
  const { dedup } = query;
  if (dedup && !(["on", "off"].includes(dedup.near) && Number.isInteger(dedup.max_distance) && dedup.max_distance >= 0)) return "the near-duplicates";
  return "";
}

/** Restores the query from the page's address. An invalid one gives the unfiltered list, and a note to show. */
export function restoreState() {
  const text = new URLSearchParams(location.search).get("list");
  let query = {};
  let fault = "";
  try {
    query = JSON.parse(text ?? "{}");
    fault = query === null || typeof query !== "object" ? "the list" : findInvalid(query, state.dataset);
  } catch {
    fault = "the list";
  }
  for (const [key, start] of Object.entries(START)) state[key] = (fault ? null : query[addressKey(key)]) ?? structuredClone(start);
  if (!fault) return null;
  saveAddress();
  return `This address does not match this data set (${fault.slice(0, 80)}). All clips are shown.`;
}

export const saveAddress = () => history.replaceState(null, "", getAddress());
