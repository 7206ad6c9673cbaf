const compile = (parser, transform) => [
  '@swc/jest',
  {
    sourceMaps: 'inline',
    module: { type: 'es6' },
    jsc: { target: 'es2023', keepClassNames: true, parser: { syntax: 'typescript', ...parser }, transform },
  },
];

// A pattern for the files of the client.
const client = `^${import.meta.dirname.replaceAll(/[^\w/]/g, '\\$&')}/client/.+`;

const project = (displayName, testMatch) => ({
  displayName,
  testMatch,
  rootDir: import.meta.dirname,
  modulePathIgnorePatterns: ['<rootDir>/test/consumers/', '<rootDir>/client/dist/'],
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts', '.tsx'],
  moduleNameMapper: {
    '^(\\.{1,2}/.*)\\.js$': '$1',
    '^holdfast$': '<rootDir>/src/index.ts',
    '^holdfast/testing$': '<rootDir>/src/testing/index.ts',
    '^holdfast-client$': '<rootDir>/client/src/index.ts',
    '^holdfast-client/record$': '<rootDir>/client/src/record/index.ts',
  },
  setupFilesAfterEnv: ['<rootDir>/test/support/setup.ts'],
  transform: {
    // Its fields are those of the language, as its tsconfig.json says; those of the server are not.
    [`${client}\\.tsx$`]: compile({ tsx: true }, { useDefineForClassFields: true, react: { runtime: 'automatic' } }),
    [`${client}\\.ts$`]: compile({}, { useDefineForClassFields: true }),
    '^.+\\.ts$': compile(
      { decorators: true },
      { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false },
    ),
  },
});

export default {
  projects: [
    project('unit', ['<rootDir>/{src,page}/**/*.spec.ts', '<rootDir>/test/*.spec.ts']),
    project('client', ['<rootDir>/client/{src,test}/**/*.spec.{ts,tsx}']),
    project('e2e', ['<rootDir>/test/e2e/**/*.e2e-spec.ts']),
    project('built', ['<rootDir>/test/built/*.e2e-spec.ts']),
    project('browser', ['<rootDir>/test/browser/*.e2e-spec.ts']),
    project('cluster', ['<rootDir>/test/cluster/*.e2e-spec.ts']),
    project('crash', ['<rootDir>/test/crash/*.e2e-spec.ts']),
  ],
  // It ends what hangs. A machine that does other work as well takes many times as long as a quiet one.
  testTimeout: 120_000,
  maxWorkers: 2,
  workerIdleMemoryLimit: '512MB',
};
