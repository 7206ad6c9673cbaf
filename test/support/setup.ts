import { Logger } from '@nestjs/common';

// Hides the log of the server in the output of the tests. A test of a log line brings its own logger.
Logger.overrideLogger(false);
