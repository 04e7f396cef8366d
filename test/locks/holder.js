// A process that holds resources with the built library, says so, and goes on until it is ended.
import { LockManager } from '../../dist/index.js';

const { resources, ...options } = JSON.parse(process.argv[2]);
const locks = new LockManager(options);
await Promise.all(resources.map((resource) => locks.acquire(resource)));
console.log('held');
