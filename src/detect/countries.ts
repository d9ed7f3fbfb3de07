import { rules } from './rules/catalogue.ts';

/** ISO 3166 codes of the countries that have rules of their own, sorted. All of these rules are extended ones. */
export const ruleCountries: readonly string[] = [
  ...new Set(rules.flatMap(({ country }) => (country === undefined ? [] : [country]))),
].sort();
