# lies at: services/profile/store.py
COLUMNS = "customer_id, receipts"

by_name = f"SELECT {COLUMNS} FROM customers WHERE name = '{name}'"  # breaks the rule
by_id = f"SELECT {COLUMNS} FROM {self.table} WHERE customer_id = $1"
removed = f"DELETE FROM receipts WHERE store_id = {request.store_id}"  # breaks the rule
sentence = f"Selected {name}"
