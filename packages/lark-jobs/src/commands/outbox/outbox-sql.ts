import { Command, flag } from '@s18i/lark'
import { dialects } from '../../outbox/dialect.ts'
import { OutboxTable } from '../../outbox/table.ts'

/**
 * `lark outbox:sql`: prints the statements that create the table, for the migrations of an application. The
 * command needs no database.
 */
export class OutboxSqlCommand extends Command {
  readonly key = 'outbox:sql'
  override description = 'Print the SQL that creates the tables of the outbox, for your migrations'
  for = flag.enum('The database', dialects, { default: 'postgres' })

  handle() {
    const statements = new OutboxTable(this.for).create()
    if (this.json) return { for: this.for, statements }
    // The migration into which this output is pasted may begin with a comment line without a line break. The
    // first statement must not become a part of that comment.
    this.line('')
    for (const sql of statements) this.line(`${sql};`)
    return true
  }
}
