import { expectAllCaught } from './caught.ts';

expectAllCaught('core');
