// What the list shows: one object, kept in the address so that going back, reloading and sharing give the same list.

const START = { search: "", filters: [], sort: [], group: null, thresholds: {}, dedup: null };

/** The list's query; `dataset` is the answer of /api/dataset; `at` is where the open clip stands in the list. */
export const state = { ...structuredClone(START), dataset: null, at: null };

/** What /api/clips and /api/select are told of the thresholds. */
export function settings() {
  const said = { thresholds: state.thresholds };
  if (state.dedup) said.dedup = state.dedup;
  return said;
}

/** The body of /api/clips for the list as it stands, without its window. */
export const query = () => ({
  search: state.search,
  filters: state.filters,
  sort: state.sort,
  group: null,
  ...settings(),
});

export const changed = () => Object.keys(state.thresholds).length > 0 || state.dedup !== null;

/** The list's address, with all of the query that is not at its start. */
export function address() {
  const said = {};
  for (const [key, start] of Object.entries(START))
    if (JSON.stringify(state[key]) !== JSON.stringify(start)) said[key] = state[key];
  return Object.keys(said).length ? `/?list=${encodeURIComponent(JSON.stringify(said))}` : "/";
}

const OPS = { text: ["=", "!=", "contains", "in"], number: ["=", "!=", "<", "<=", ">", ">=", "in"] };
const WHOLE = ["batch", "width", "height"]; // the numbers of which a set has a few only

/** Names of the columns that make sense as groups: text first. */
export function groupable({ columns }) {
  const text = columns.filter((column) => column.kind === "text" && column.name !== "clip_id");
  return [...text, ...columns.filter((column) => WHOLE.includes(column.name))].map((column) => column.name);
}

/** What of an address's query this data set does not know: "" where all of it makes sense. */
function wrong(said, dataset) {
  const kinds = new Map(dataset.columns.map((column) => [column.name, column.kind]));
  const bars = new Map(dataset.bars.map((bar) => [bar.setting, bar]));
  for (const [key, start] of Object.entries(START)) {
    const value = said[key];
    if (value === undefined || value === null) continue;
    if (start !== null && (typeof value !== typeof start || Array.isArray(value) !== Array.isArray(start))) return key;
  }
  for (const part of said.sort ?? []) if (!kinds.has(part?.column) || typeof part.desc !== "boolean") return `the column ${part?.column}`;
  for (const part of said.filters ?? []) {
    const kind = kinds.get(part?.column);
    if (!kind) return `the column ${part?.column}`;
    const values = part.op === "in" && Array.isArray(part.value) ? part.value : [part.value];
    if (!OPS[kind].includes(part.op) || !values.every((value) => typeof value === (kind === "number" ? "number" : "string")))
      return `the filter on ${part.column}`;
  }
  if (said.group && !groupable(dataset).includes(said.group)) return `the group ${said.group}`;
  for (const [setting, value] of Object.entries(said.thresholds ?? {})) {
    const bar = bars.get(setting);
    if (!bar || typeof value !== "number") return `the threshold ${setting}`;
    if (value < (bar.minimum ?? -Infinity) || value > (bar.maximum ?? Infinity)) return `${value} for ${setting}`;
  }
  const { dedup } = said;
  if (dedup && !(["on", "off"].includes(dedup.near) && Number.isInteger(dedup.max_distance) && dedup.max_distance >= 0)) return "the near-duplicates";
  return "";
}

/** Takes the query from the page's address. One that makes no sense gives the plain list, and a note that says so. */
export function restore() {
  const text = new URLSearchParams(location.search).get("list");
  let said = {};
  let fault = "";
  try {
    said = JSON.parse(text ?? "{}");
    fault = said === null || typeof said !== "object" ? "the list" : wrong(said, state.dataset);
  } catch {
    fault = "the list";
  }
  for (const [key, start] of Object.entries(START)) state[key] = (fault ? null : said[key]) ?? structuredClone(start);
  if (!fault) return null;
  remember();
  return `This address doesn't fit this data set (${fault.slice(0, 80)}): here are all of its clips.`;
}

export const remember = () => history.replaceState(null, "", address());
