const compiled = (syntax) => [
  '@swc/jest',
  {
    module: { type: 'commonjs' },
    jsc: {
      target: 'es2023',
      parser: syntax === 'typescript' ? { syntax, decorators: true } : { syntax },
      transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false },
    },
  },
];

module.exports = {
  testMatch: ['<rootDir>/src/*.spec.ts'],
  transform: { '^.+\\.ts$': compiled('typescript'), '^.+\\.js$': compiled('ecmascript') },
  // Jest can't require() the packages that are ESM alone, so they are compiled as the tests are.
  transformIgnorePatterns: ['/node_modules/(?!(holdfast|jose)/)'],
};
