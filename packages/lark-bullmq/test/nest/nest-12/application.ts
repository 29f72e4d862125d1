/** An empty application of Nest 12. */
import 'reflect-metadata'
import { Module } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'

class ApplicationModule {}
Module({})(ApplicationModule)

export const application = () => NestFactory.create(ApplicationModule, { logger: false })
