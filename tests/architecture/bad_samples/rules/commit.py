# lies at: services/profile/store.py
async def save(connection, repository):
    await connection.execute("UPDATE customers SET version = version + 1")
    await connection.commit()  # breaks the rule
    repository.commit_count += 1
