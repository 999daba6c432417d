"""Alembic's entrance: migrates over the connection that ``database`` hands it."""

from alembic import context

from augury.projections.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite can undo DDL as well; a migration that was cut short leaves nothing behind.
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
