import { expectAllCaught } from './caught.ts';

expectAllCaught('server');
