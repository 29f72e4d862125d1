// A test that mocks a module of a job, and a worker that finds the job by its file.
import { Jobs, JobsError } from '@s18i/lark-jobs'
import { MailJob } from './jobs/MailJob'
import { send } from './mailer'

jest.mock('./mailer')

afterAll(() => Jobs.close())

test('the worker runs the job with the mock', async () => {
  jest.mocked(send).mockReturnValue('mocked')
  const job = new MailJob()
  await job.dispatch({ to: 'Ann' })
  const worker = await Jobs.work({ queues: 'mails', stopWhenEmpty: true })
  await worker.done
  expect((await Jobs.find<MailJob>(job.id!))!.result).toBe('mocked')
  expect(send).toHaveBeenCalledWith('Ann')
})

test('errors are instances of the classes that the test imports', async () => {
  const error = await Jobs.pause({ queue: 'none' }).catch((error: unknown) => error)
  expect(error).toBeInstanceOf(JobsError)
  expect(error).toBeInstanceOf(Error)
})
