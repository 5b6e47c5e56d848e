/**
 * Loaded before every test file. A usual run draws the same examples every time, so that it fails for what was changed and
 * not by luck; one that looks deeper or elsewhere (`MILLRACE_TEST_DEPTH`, see `depth.ts`) draws anew.
 * `MILLRACE_TEST_SEEDS=7` draws what fast-check calls seed 7.
 */
import fc from 'fast-check'
import { propertySeed } from './depth.ts'

const seed = propertySeed()
if (seed !== null) fc.configureGlobal({ ...fc.readConfigureGlobal(), seed })
