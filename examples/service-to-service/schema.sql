-- What the services find, and what each of them may do with it. The passwords are the database door's alone.
CREATE TABLE stock (item text PRIMARY KEY, count int NOT NULL CHECK (count >= 0));
CREATE TABLE orders (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    item text NOT NULL,
    count int NOT NULL,
    status text NOT NULL DEFAULT 'placed'
);
INSERT INTO stock VALUES ('rope', 5), ('velvet', 1);
GRANT SELECT, UPDATE ON stock TO inventory_service;
GRANT SELECT, INSERT, UPDATE ON orders TO orders_service;
