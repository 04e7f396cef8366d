import { playFrom } from './part.ts';

playFrom(3);
