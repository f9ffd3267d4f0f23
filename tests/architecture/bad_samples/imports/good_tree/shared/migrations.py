import alembic
import sqlalchemy
