import { Logger } from '@nestjs/common';

// What the server logs is not what a test shows; a test that is about a log line brings its own logger.
Logger.overrideLogger(false);
