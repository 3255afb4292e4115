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

/** Takes the query from the page's address; an address that makes no sense is the list's start. */
export function restore() {
  const text = new URLSearchParams(location.search).get("list");
  let said = {};
  try {
    said = JSON.parse(text ?? "{}") ?? {};
  } catch {
    said = {};
  }
  for (const [key, start] of Object.entries(START)) {
    const fits = start === null || (typeof said[key] === typeof start && Array.isArray(said[key]) === Array.isArray(start));
    state[key] = said[key] !== undefined && fits ? said[key] : structuredClone(start);
  }
}

export const remember = () => history.replaceState(null, "", address());
