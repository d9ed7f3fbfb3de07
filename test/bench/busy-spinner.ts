// Entry of the thread that busy-pair.ts starts. It ends with that one, or by itself.
import { spin } from './busy-pair.ts';

spin(10_000);
