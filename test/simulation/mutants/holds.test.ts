import { expectAllCaught } from './caught.ts';

expectAllCaught('holds');
